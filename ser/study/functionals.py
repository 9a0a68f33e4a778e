"""Names of the functionals that settings may ask for: ``ser.data.functionals`` says what they are."""

FUNCTIONALS = (
    "mean", "std", "min", "max", "range", "median", "skewness", "kurtosis", "q25", "q75", "q10", "q90", "decile_range",
    "centroid", "min_position", "max_position", "slope", "offset", "regression_error",
)  # fmt: skip
STATISTICS = ("mean", "std", "min", "max")  # those that networks take of frames, see ``ser.models._statistics``
