"""Routes of the control plane, one module a noun."""
