# What protects the machine, as JSON: for each subject an object with value, or with error, code and id.
# It changes nothing. It is always the same text: nothing of the machine or of the server becomes part of it. There is no
# double quotation mark in it, so that it can be handed over as one argument.
$ErrorActionPreference = 'Stop'
$WarningPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
$env:PSModulePath = $PSHOME + '\Modules'
try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { }

$found = @{}
function Add-Subject([string]$Name, [scriptblock]$Look) {
  try {
    $found[$Name] = @{ value = @(& $Look) }
  } catch {
    $found[$Name] = @{
      error = [string]$_.Exception.Message
      code = [string]$_.Exception.NativeErrorCode
      id = [string]$_.FullyQualifiedErrorId
    }
  }
}
filter ConvertTo-Stamp { if ($_ -is [DateTime]) { $_.ToUniversalTime().ToString('o') } }

Add-Subject 'volumes' {
  Get-CimInstance -Namespace 'root/cimv2/Security/MicrosoftVolumeEncryption' -ClassName Win32_EncryptableVolume |
    Select-Object -First 200 | ForEach-Object {
      @{ drive = $_.DriveLetter; kind = $_.VolumeType; protection = $_.ProtectionStatus; conversion = $_.ConversionStatus }
    }
}
Add-Subject 'antivirus' {
  Get-CimInstance -Namespace 'root/SecurityCenter2' -ClassName AntiVirusProduct | Select-Object -First 50 | ForEach-Object {
    @{ name = $_.displayName; guid = $_.instanceGuid; state = $_.productState }
  }
}
Add-Subject 'firewalls' {
  Get-CimInstance -Namespace 'root/SecurityCenter2' -ClassName FirewallProduct | Select-Object -First 50 | ForEach-Object {
    @{ name = $_.displayName; guid = $_.instanceGuid; state = $_.productState }
  }
}
Add-Subject 'defender' {
  Get-MpComputerStatus | ForEach-Object {
    @{
      version = $_.AMProductVersion; mode = [string]$_.AMRunningMode
      service = $_.AMServiceEnabled; antivirus = $_.AntivirusEnabled; realtime = $_.RealTimeProtectionEnabled
      definitions = ($_.AntivirusSignatureLastUpdated | ConvertTo-Stamp)
      quick = ($_.QuickScanEndTime | ConvertTo-Stamp); full = ($_.FullScanEndTime | ConvertTo-Stamp)
    }
  }
}
Add-Subject 'detections' {
  $names = @{}
  Get-MpThreat | ForEach-Object { $names[[string]$_.ThreatID] = @{ name = $_.ThreatName; severity = $_.SeverityID } }
  Get-MpThreatDetection | Sort-Object -Property InitialDetectionTime -Descending | Select-Object -First 200 | ForEach-Object {
    $known = $names[[string]$_.ThreatID]
    @{
      id = [string]$_.ThreatID; name = $known.name; severity = $known.severity; status = $_.ThreatStatusID
      found = ($_.InitialDetectionTime | ConvertTo-Stamp); files = @($_.Resources | Select-Object -First 5)
    }
  }
}
Add-Subject 'accounts' {
  if ((Get-CimInstance -ClassName Win32_OperatingSystem).ProductType -ne 2) {
    Get-CimInstance -ClassName Win32_UserAccount -Filter 'LocalAccount = TRUE AND Disabled = FALSE' |
      Select-Object -First 500 | ForEach-Object { @{ required = $_.PasswordRequired } }
  }
}
Add-Subject 'passwords' {
  @{ minimum = [int]([ADSI]('WinNT://' + [Environment]::MachineName)).MinPasswordLength.Value }
}
$found | ConvertTo-Json -Depth 6 -Compress
