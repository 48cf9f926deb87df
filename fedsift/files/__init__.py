"""Files as people and commands share them: TOML, JSON, output folders."""
