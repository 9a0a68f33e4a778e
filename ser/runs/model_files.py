"""What the files of a run with its model are called, and the columns of a question to that model in MLflow."""

STATEMENT = "statement.json"
WEIGHTS = ("best.pt", "model.skops")  # of a network, of a fitted model
INPUTS = ("path", "audio", "speaker", "sex", "text")  # a recording is one of the first two
