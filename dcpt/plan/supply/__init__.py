"""Limited data: which share and how many tokens, when the domain's text (or the general) runs out."""
