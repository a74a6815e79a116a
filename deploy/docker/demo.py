"""A service that burns some CPU, profiled by pyroscope-io, at the frequency of Upshift's plans."""

import os
import time

from upshift_agent import Agent
from upshift_agent.drivers.pyroscope import PyroscopeDriver

driver = PyroscopeDriver(server_address=os.environ.get("PYROSCOPE_URL", "http://pyroscope:4040"))
with Agent.from_env(driver=driver):
    while True:
        sum(number * number for number in range(200_000))
        time.sleep(0.05)
