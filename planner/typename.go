package planner

import (
	"strconv"
	"strings"
)

// intervalText writes MySQL's INTERVAL n unit as PostgreSQL reads it.
func intervalText(n, unit string) string {
	switch unit {
	case "quarter":
		if k, err := strconv.ParseFloat(n, 64); err == nil {
			return strconv.FormatFloat(3*k, 'f', -1, 64) + " month"
		}
	case "year_month":
		return pairText(n, "year", "month")
	case "day_hour":
		return pairText(n, "day", "hour")
	case "day_minute":
		return pairText(n, "day", "hour", "minute")
	case "day_second":
		return pairText(n, "day", "hour", "minute", "second")
	case "hour_minute":
		return pairText(n, "hour", "minute")
	case "hour_second":
		return pairText(n, "hour", "minute", "second")
	case "minute_second":
		return pairText(n, "minute", "second")
	case "second_microsecond":
		return pairText(n, "second", "microsecond")
	}
	return n + " " + unit
}

// pairText reads numbers divided by anything else, aligned to the last unit.
func pairText(n string, units ...string) string {
	neg := strings.HasPrefix(strings.TrimSpace(n), "-")
	nums := strings.FieldsFunc(n, func(r rune) bool { return r < '0' || r > '9' })
	var out []string
	for i := range nums {
		if j := len(units) - len(nums) + i; j >= 0 {
			word := nums[i] + " " + units[j]
			if neg {
				word = "-" + word
			}
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}
