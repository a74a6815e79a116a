package upshift

import (
	"os"
	"strconv"
)

// For tests of the whole at a small size: how often plans are read anew, which nothing else changes.
func init() {
	if seconds, err := strconv.ParseFloat(os.Getenv("UPSHIFT_TEST_RESYNC_S"), 64); err == nil && seconds > 0 {
		resyncMs = seconds * 1000
	}
}
