"""What is measured on a GPU, with torch, transformers, numpy and safetensors alone."""
