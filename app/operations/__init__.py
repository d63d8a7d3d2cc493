"""What the CA does: one class a subject, its methods the verbs."""
