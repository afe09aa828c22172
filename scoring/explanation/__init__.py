"""Why a project is where it is: reasons with their evidence, what would remove it, and why another is not there."""
