"""What all tables of the package have in common."""

import sqlalchemy as sa

__all__ = ["METADATA"]

METADATA = sa.MetaData()
"""All tables of the package, beside those of Optuna."""
