# The machines that were seen on the local network, as JSON. It changes nothing, and is always the same text, without a
# double quotation mark.
$ErrorActionPreference = 'Stop'
$WarningPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
$env:PSModulePath = $PSHOME + '\Modules'
try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { }

$found = @{}
try {
  $states = @('Probe', 'Delay', 'Stale', 'Reachable')
  $all = Get-NetNeighbor | Where-Object { $states -contains [string]$_.State } | Select-Object -First 5000 | ForEach-Object {
    @{ ip = $_.IPAddress; mac = $_.LinkLayerAddress; adapter = $_.InterfaceAlias }
  }
  $found['neighbours'] = @{ value = @($all) }
} catch {
  $found['neighbours'] = @{ error = [string]$_.Exception.Message; code = [string]$_.Exception.NativeErrorCode; id = [string]$_.FullyQualifiedErrorId }
}
$found | ConvertTo-Json -Depth 5 -Compress
