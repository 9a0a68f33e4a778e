"""The report of the study ``encoders``: pretrained encoders, their layers and the heads on them."""
