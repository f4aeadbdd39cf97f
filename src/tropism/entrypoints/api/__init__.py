"""The HTTP interface: the data plane answers predictions and outcomes, the control plane everything else."""
