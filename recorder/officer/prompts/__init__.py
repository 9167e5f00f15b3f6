"""Spoken prompts 语音提示: catalogue, joining of rendered pieces, queue and player.

``catalogue`` what can be said · ``template`` a text taken apart · ``numerals`` numbers as words · ``joining`` a prompt and
its values as text and as pieces · ``voice`` the rendered pieces · ``waiting`` who may speak next (pure) · ``player`` the
thin adapter to loudspeaker and motor.
"""
