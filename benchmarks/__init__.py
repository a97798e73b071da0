"""What this library costs beside the driver alone and beside what else there is: ``python -m benchmarks``."""
