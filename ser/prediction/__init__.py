"""What a finished run says of new recordings: its model read back, and emotions with probabilities, file by file."""

from ser.prediction.predictor import Prediction, Predictor, load
from ser.prediction.recordings import Recording, listed, stdin

__all__ = ["Prediction", "Predictor", "Recording", "listed", "load", "stdin"]
