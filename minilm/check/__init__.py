"""Is another deployment really this model? ``minilm check`` sends it texts and says in words what differs."""
