package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

func native() Native { return calls{} }

// calls asks Windows itself.
type calls struct{}

// Calls that x/sys does not have. They are in every Windows since Vista.
var (
	kernel32               = windows.NewLazySystemDLL("kernel32.dll")
	getSystemFirmwareTable = kernel32.NewProc("GetSystemFirmwareTable")
	getSystemPowerStatus   = kernel32.NewProc("GetSystemPowerStatus")
	querySession           = windows.NewLazySystemDLL("wtsapi32.dll").NewProc("WTSQuerySessionInformationW")
	getIfEntry2            = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetIfEntry2")
)

// maxAdapters bounds the table of the adapters, in bytes: that of a thousand is smaller.
const maxAdapters = 16 << 20

func (calls) Links() ([]Link, error) {
	const flags = windows.GAA_FLAG_INCLUDE_GATEWAYS | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST
	size := uint32(32 << 10)
	for {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0])) //nolint:gosec // the call fills it with this structure
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		switch {
		case err == nil:
			return linksOf(first), nil
		case errors.Is(err, windows.ERROR_NO_DATA):
			return nil, nil
		case !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW):
			return nil, fmt.Errorf("GetAdaptersAddresses: %w", err)
		case size > maxAdapters:
			return nil, errors.New("the table of the network adapters is too long")
		}
	}
}

func linksOf(first *windows.IpAdapterAddresses) []Link {
	var out []Link
	for a := first; a != nil; a = a.Next {
		l := Link{
			ID:   windows.BytePtrToString(a.AdapterName),
			Name: windows.UTF16PtrToString(a.FriendlyName),
			MAC:  net.HardwareAddr(a.PhysicalAddress[:min(int(a.PhysicalAddressLength), len(a.PhysicalAddress))]).String(),
			Type: a.IfType,
			Up:   a.OperStatus == windows.IfOperStatusUp,
		}
		l.PermanentMAC = permanent(a.Luid)
		for u := a.FirstUnicastAddress; u != nil; u = u.Next {
			// What is tentative, a duplicate or on its way out is no address of the machine's.
			if at, ok := addressOf(&u.Address); ok && u.DadState == windows.IpDadStatePreferred {
				l.Addresses = append(l.Addresses, netip.PrefixFrom(at, int(u.OnLinkPrefixLength)))
			}
		}
		for g := a.FirstGatewayAddress; g != nil; g = g.Next {
			if at, ok := addressOf(&g.Address); ok {
				l.Gateways = append(l.Gateways, at)
			}
		}
		for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
			if at, ok := addressOf(&d.Address); ok {
				l.DNS = append(l.DNS, at)
			}
		}
		out = append(out, l)
	}
	return out
}

func addressOf(s *windows.SocketAddress) (netip.Addr, bool) {
	if s.Sockaddr == nil {
		return netip.Addr{}, false
	}
	// The octets belong to the call's buffer: a netip.Addr holds a copy.
	at, ok := netip.AddrFromSlice(s.IP())
	return at.Unmap(), ok
}

// permanent gives the address that is burnt into an adapter, "" where there is none.
func permanent(luid uint64) string {
	row := windows.MibIfRow2{InterfaceLuid: luid}
	if getIfEntry2.Find() != nil {
		return ""
	}
	code, _, _ := getIfEntry2.Call(uintptr(unsafe.Pointer(&row)))
	size := min(int(row.PhysicalAddressLength), len(row.PermanentPhysicalAddress))
	if code != 0 || !slices.ContainsFunc(row.PermanentPhysicalAddress[:size], func(b uint8) bool { return b != 0 }) {
		return ""
	}
	return net.HardwareAddr(row.PermanentPhysicalAddress[:size]).String()
}

// maxFirmware bounds the SMBIOS table. Its length is told in 16 bits, or 32 from version 3 on.
const maxFirmware = 1 << 20

func (calls) Firmware() ([]byte, error) {
	if err := getSystemFirmwareTable.Find(); err != nil {
		return nil, err
	}
	const provider = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	size, _, err := getSystemFirmwareTable.Call(provider, 0, 0, 0)
	if size == 0 || size > maxFirmware {
		return nil, fmt.Errorf("no SMBIOS table: %w", err)
	}
	buf := make([]byte, size)
	n, _, err := getSystemFirmwareTable.Call(provider, 0, uintptr(unsafe.Pointer(&buf[0])), size)
	if n == 0 || n > size {
		return nil, fmt.Errorf("no SMBIOS table: %w", err)
	}
	return buf[:n], nil
}

func (calls) Domain() (string, error) {
	var name *uint16
	var kind uint32
	if err := windows.NetGetJoinInformation(nil, &name, &kind); err != nil {
		return "", fmt.Errorf("NetGetJoinInformation: %w", err)
	}
	defer windows.NetApiBufferFree((*byte)(unsafe.Pointer(name))) //nolint:errcheck // nothing can be done about it
	if kind != windows.NetSetupDomainName {
		return "", nil
	}
	return windows.UTF16PtrToString(name), nil
}

func (calls) Power() (Power, error) {
	// SYSTEM_POWER_STATUS
	var s struct {
		mains, battery, percent, saver uint8
		left, full                     uint32
	}
	if err := getSystemPowerStatus.Find(); err != nil {
		return Power{}, err
	}
	if ok, _, err := getSystemPowerStatus.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return Power{}, fmt.Errorf("GetSystemPowerStatus: %w", err)
	}
	const noBattery, unknown = 128, 255
	if s.battery == unknown {
		return Power{}, errors.New("Windows does not know the state of the battery")
	}
	p := Power{Battery: s.battery&noBattery == 0, Percent: int(s.percent), Mains: s.mains == 1}
	if s.percent == unknown {
		p.Percent = -1
	}
	return p, nil
}

// maxSessions bounds the sessions that are asked for names. A terminal server has hundreds.
const maxSessions = 5000

func (calls) Sessions() ([]Session, error) {
	var first *windows.WTS_SESSION_INFO
	var count uint32
	if err := windows.WTSEnumerateSessions(0, 0, 1, &first, &count); err != nil {
		return nil, fmt.Errorf("WTSEnumerateSessions: %w", err)
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(first)))
	if err := querySession.Find(); err != nil {
		return nil, err
	}
	var out []Session
	for _, s := range unsafe.Slice(first, min(count, maxSessions)) {
		if s.State != windows.WTSActive && s.State != windows.WTSDisconnected {
			continue
		}
		const userName, domainName = 5, 7 // of WTS_INFO_CLASS
		name, err := sessionText(s.SessionID, userName)
		if err != nil {
			return nil, err
		}
		domain, err := sessionText(s.SessionID, domainName)
		if err != nil {
			return nil, err
		}
		if name != "" { // that of the services has none, nor has one that waits for somebody
			out = append(out, Session{Name: name, Domain: domain})
		}
	}
	return out, nil
}

// sessionText asks for a text of a session; "" for one that has ended meanwhile.
func sessionText(session uint32, class uintptr) (string, error) {
	var text *uint16
	var size uint32
	ok, _, err := querySession.Call(0, uintptr(session), class, uintptr(unsafe.Pointer(&text)), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
			return "", nil
		}
		return "", fmt.Errorf("WTSQuerySessionInformation: %w", err)
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(text)))
	return windows.UTF16PtrToString(text), nil
}

func (calls) Service(name string) (bool, error) {
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return false, err
	}
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return false, fmt.Errorf("OpenSCManager: %w", err)
	}
	defer windows.CloseServiceHandle(manager) //nolint:errcheck // it was only read
	service, err := windows.OpenService(manager, wide, windows.SERVICE_QUERY_STATUS)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return false, fs.ErrNotExist
	}
	if err != nil {
		return false, fmt.Errorf("service %s: %w", name, err)
	}
	defer windows.CloseServiceHandle(service) //nolint:errcheck // it was only read
	var status windows.SERVICE_STATUS
	if err := windows.QueryServiceStatus(service, &status); err != nil {
		return false, fmt.Errorf("service %s: %w", name, err)
	}
	return status.CurrentState == windows.SERVICE_RUNNING, nil
}
