"""Charges however they lie: an adaptive tree of cells, whose far charges proxies stand for."""
