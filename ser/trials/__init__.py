"""One trial from its job to its finished folder, alone or in a group, and what it will cost."""
