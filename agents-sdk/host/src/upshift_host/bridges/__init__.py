"""Bridges to systems that have agents of their own: OpAMP's supervisors, Elastic's APM agents.

Each of theirs has an Upshift agent here, which follows plans and tells them what they ask for.
"""
