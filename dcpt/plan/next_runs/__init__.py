"""Which proxy runs to buy next: what each tells of the planned ratio for its price, and when to stop."""
