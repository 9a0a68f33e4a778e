"""The report of any study: every result over whatever axes it has. It is the default, where a study names none."""
