"""What several kinds of neurons share: parameters, state and the part of the step that is the same."""
