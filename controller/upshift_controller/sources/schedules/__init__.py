"""Schedules: when the times of cron lines come (`moments`), the windows that begin then (`windows`)
and who asks for their leases (`running`).
"""
