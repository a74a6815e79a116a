"""The demo's receiver of profiles, and what is counted in them."""
