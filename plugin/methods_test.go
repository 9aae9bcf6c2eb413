package main

import (
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

// TestAListingForLightningCLI: all pages of it, up to as many as it may have.
func TestAListingForLightningCLI(t *testing.T) {
	for size, fits := range map[int]bool{0: true, 1: true, 1000: true, 1001: true, maxListed: true, maxListed + 1: false} {
		got, err := whole(func(after int64) (tower.Subscription, error) {
			end := min(int(after)+1000, size)
			page := tower.Subscription{Slots: 7, Locators: make([]teos.Locator, end-int(after))}
			if end < size {
				page.Next = int64(end)
			}
			return page, nil
		})
		if !fits {
			if e := teos.AsError(err); err == nil || e.Cause != teos.TooLarge {
				t.Errorf("%d locators: %v", size, err)
			}
			continue
		}
		if err != nil || len(got.Locators) != size || got.Slots != 7 {
			t.Errorf("%d locators: got %d, %d slots, %v", size, len(got.Locators), got.Slots, err)
		}
	}
}
