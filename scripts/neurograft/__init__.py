"""Answer whether transfer learning helps the patients of a brain MRI cohort, and by how much."""

__version__ = "0.1.0"
