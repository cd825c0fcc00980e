"""All that touches a model: reading it, its edges, lesions, visualizations. Needs torch."""
