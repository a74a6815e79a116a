"""What `upshift-agent doctor` finds: this host, whom it reaches, and what profiles which workload.

It asks and changes nothing: no profiler is started, no agent, nothing is sent to the backend.
"""
