"""What the actions of a scenario do, by kind: ``surroundings`` (world, sounds, devices), ``harm`` (kills, power, files),
``officers`` (buttons, commands, answers), ``statement`` (the written statement of art. 23)."""
