"""Sensors: tasks that wait for a job or a sweep that another task, or nobody in Airflow, submitted."""
