"""``recorder doctor``: every device of the board and everything else a recording needs, one by one, with what to do."""
