"""Runs on disk and in MLflow: the folder of a trial, its attempts and replica, delivery, and the tracker."""
