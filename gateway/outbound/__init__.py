"""The one way out: DICOMweb and FHIR peers that the operator has listed, and nothing else."""
