package memory

import "testing"

// The rows of DEN0140, 1.5 and 1.6, as "event owner borrower > owner borrower"; everything else must be refused.
var legal = map[[3]string][2]string{
	{"share", "Owner-EA", "!Owner-NA"}:                    {"Owner-SA", "!Owner-NA"},
	{"lend", "Owner-EA", "!Owner-NA"}:                     {"Owner-NA", "!Owner-NA"},
	{"donate", "Owner-EA", "!Owner-NA"}:                   {"Owner-NA", "!Owner-NA"},
	{"retrieve shared", "Owner-SA", "!Owner-NA"}:          {"Owner-SA", "!Owner-SA"},
	{"retrieve lent", "Owner-NA", "!Owner-NA"}:            {"Owner-NA", "!Owner-EA"},
	{"retrieve lent to several", "Owner-NA", "!Owner-NA"}: {"Owner-NA", "!Owner-SA"},
	{"retrieve donated", "Owner-NA", "!Owner-NA"}:         {"!Owner-NA", "Owner-EA"},
	{"relinquish", "Owner-SA", "!Owner-SA"}:               {"Owner-SA", "!Owner-NA"},
	{"relinquish", "Owner-NA", "!Owner-SA"}:               {"Owner-NA", "!Owner-NA"},
	{"relinquish", "Owner-NA", "!Owner-EA"}:               {"Owner-NA", "!Owner-NA"},
	{"reclaim", "Owner-SA", "!Owner-NA"}:                  {"Owner-EA", "!Owner-NA"},
	{"reclaim", "Owner-NA", "!Owner-NA"}:                  {"Owner-EA", "!Owner-NA"},
}

func TestTransitions(t *testing.T) {
	events := []string{"share", "lend", "donate", "retrieve shared", "retrieve lent", "retrieve lent to several",
		"retrieve donated", "relinquish", "reclaim"}
	found := 0
	for e, name := range events {
		for owner := NotOwnerNA; owner <= OwnerEA; owner++ {
			for borrower := NotOwnerNA; borrower <= OwnerEA; borrower++ {
				oa, ba, ok := Next(Event(e), owner, borrower)
				want, legalHere := legal[[3]string{name, owner.String(), borrower.String()}]
				if ok != legalHere {
					t.Errorf("%s of %v/%v: allowed %v, want %v", name, owner, borrower, ok, legalHere)
				}
				if !ok {
					if oa != owner || ba != borrower {
						t.Errorf("%s of %v/%v is refused but gives %v/%v", name, owner, borrower, oa, ba)
					}
					continue
				}
				found++
				if got := [2]string{oa.String(), ba.String()}; got != want {
					t.Errorf("%s of %v/%v gives %v, want %v", name, owner, borrower, got, want)
				}
				// Nobody but the receiver of a donation may own what another owns.
				if oa >= OwnerNA && ba >= OwnerNA {
					t.Errorf("%s of %v/%v leaves two owners", name, owner, borrower)
				}
			}
		}
	}
	if found != len(legal) {
		t.Errorf("%d transitions, want %d", found, len(legal))
	}
}
