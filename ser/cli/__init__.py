"""The command line: parsing (``arguments``), the commands (``main``), what they print (``console``), MLflow's pages."""
