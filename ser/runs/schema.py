"""The tables of MLflow's database that are known here, to read them without MLflow and to write fewer statements."""

REVISION = "dc11669786a5"  # of the tables that MLflow 3.17 makes
TABLES = 65  # how many there are, at least
