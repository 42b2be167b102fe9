"""What a run costs: parameters by component, FLOPs by convention, hours on named hardware."""
