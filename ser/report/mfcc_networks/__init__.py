"""The report of the study ``mfcc_networks``."""
