"""Vignettes: event-sourced order processing for an online seller of motorway e-vignettes."""
