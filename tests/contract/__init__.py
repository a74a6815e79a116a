from pathlib import Path

#: What SDKs in every language are held to.
CONTRACT = Path(__file__).parents[2] / "agents-sdk" / "contract"
