"""How the process of a stage is started."""
