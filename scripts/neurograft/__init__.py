"""neurograft: does transfer learning help these brain MRI patients, and by how much?"""

__version__ = "0.1.0"
