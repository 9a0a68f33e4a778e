"""Environment variables of Ray and of workers: read when libraries are loaded, so set before."""

# Read by Ray and Tune when they are imported, here or on a head node.
OF_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a quarter of what is left of the cost per trial
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a table even at verbosity 0
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune would swallow an interrupt and return as if finished
}
# glibc gives large tensors back to the kernel and asks for them anew; these keep the pages (same bits, 25 % faster).
OF_WORKERS = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
}
