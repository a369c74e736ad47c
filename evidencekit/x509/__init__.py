"""ASN.1, CMS, certification paths and revocation, shared by signing and timestamp."""
