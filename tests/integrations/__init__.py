"""Tests of minilm/integrations/."""
