"""From corpora and a study to a plan: which trials there are, and the features they need."""
