"""The ground floor: errors, geometry and the three types that cross borders (numpy only)."""
