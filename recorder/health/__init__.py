"""A unit's health as numbers: one model, and its forms for ``recorder status``, Prometheus and MQTT (docs/health.md)."""
