"""Durable work: jobs that survive the process, behind one seam (`gateway.jobs.engine`)."""
