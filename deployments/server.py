"""Prefect's command ``prefect server``, with the database of ``flows.running.patient_database``."""

from prefect.cli import app

from flows.running.patient_database import use_patient_database

if __name__ == "__main__":
    use_patient_database()
    app()
