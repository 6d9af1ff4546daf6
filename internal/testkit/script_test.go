package testkit_test

import (
	"testing"

	"weir/internal/testkit"
)

func TestScripts(t *testing.T) { testkit.RunScripts(t, "testdata/sql/*.test") }

func TestEventScripts(t *testing.T) { testkit.RunScripts(t, "testdata/events/*.test") }
